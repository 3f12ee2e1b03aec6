//! The rules, by example and by chance. No clock, no task, no file: a [`Simulation`] plays the executor.

mod examples;
mod properties;
mod simulation;
mod taking_up;
mod undoing;
