//! Stores of several replicas over one simulated log, with a network that fails.
//!
//! Time is that of the simulation, and a seed decides everything, so a failure is found again by its seed.

mod holds;
mod ids;
mod replicas;
mod settings;
mod standing;
mod steps;
mod undo;
mod worlds;
