//! The step kind with step kinds that live in this process: what it comes to, and what it leaves when it dies.

mod crash;
mod executed;
mod refused;
mod restoring;
mod verdicts;
mod world;
