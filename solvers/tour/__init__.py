"""The tour: the library's main job on real data, one module a step."""
