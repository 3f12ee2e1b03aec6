//! The statistics against figures of another program, and against what they promise of experiments without end.

mod reference;
mod simulation;
