//! Archives against real servers of every generation: what they write is read, what is written
//! here they restore, and what is extracted they start with.

mod matrix;
mod offline;
mod streams;
mod verified;
