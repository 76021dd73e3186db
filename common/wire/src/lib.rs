//! Host network state: model, planner, backends.
