//! Floor 6: whose session is it? Takes sightings, gives observations.

pub mod observation;

pub use observation::{BindingView, Interleaving, Observation, SessionView, Trigger};
