//! Tests of the road from end to end: `sim`, on memory under seeded faults; `live`, against real clients (see its README).
