//! Tables: their layouts, and files of them. Pure: rows in, bytes and statistics out.

pub mod encode;
pub mod layout;
pub mod rows;
