//! An ordinary user's containers: a real user, made for the test, on a data root in his home.

mod network;
mod person;
mod whole;
mod without;
