//! The loop with a log in memory, a scripted step kind and paused time: what is durable when an effect
//! happens, and what a run comes to whatever goes wrong.

mod crash;
mod limits;
mod results;
mod scripted;
mod writing;
