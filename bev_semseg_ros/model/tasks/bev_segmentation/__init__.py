"""The classes of the places around the vehicle, seen from above."""
