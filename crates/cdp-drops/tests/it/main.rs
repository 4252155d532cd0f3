//! Files of each kind, from their bytes to what is in the tables.

mod files;

mod intake;
mod mapping;
mod rows;
