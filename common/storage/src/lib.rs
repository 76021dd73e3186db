//! What a layer's files mean: drivers, whiteouts, merge, diff, unpack, layer tar.
