//! `cdp` as a user meets it: the real binary, by its arguments, its output and its exit code.

mod cdp;

mod help;

mod wrong;

mod at_rest;
mod running;

mod bench;
