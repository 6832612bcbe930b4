//! Does it hold for any bytes, however cut?
