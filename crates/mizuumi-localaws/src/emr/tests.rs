//! A clock that the tests set.
