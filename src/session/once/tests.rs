//! Is one request one sighting, and are two requests two?
