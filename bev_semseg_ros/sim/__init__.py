"""The simulator: `generate` simulates drives and writes them as data sets.

A frame is made in these steps:

1. A `RigSource` (`rigs/`) gives the `Rig` of the drive: its lidars and cameras.
2. A `World` (`scene/`) is one drive. It draws a street (`scene/road/`), adds what stands beside it
   (`scene/roadside/`) and the road users (`scene/traffic/`). Shapes and materials are in `assets/`.
3. `World.view` returns a `View`: meshes, boxes and the pose of the vehicle at one moment.
4. `sensors/` turns a view into measurements: `camera.render` into an image and its mask, with the
   help of `render/`, and `lidar.scan` into a cloud.
5. A `Writer` (`writers/`) labels the frame (`writers/labels`, `bev_labels`) and writes its files.

`manifest` records which drives are complete.
"""
