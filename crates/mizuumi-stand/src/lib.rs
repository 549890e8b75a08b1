//! The local stand: a real Kubernetes control plane and the local AWS endpoint, as plain processes of this machine.
//!
//! `mizuumi-stand` (the binary) builds what is needed once into a cache, starts the parts in a folder (`.stand`)
//! and stops them. Tests use [`Stand`], which reads that folder and can stop, start and restart single parts.

pub mod cache;
pub mod cli;
pub mod down;
pub mod environment;
pub mod failure;
pub mod kubeconfig;
pub mod layout;
pub mod lock;
pub mod parts;
pub mod ports;
pub mod probe;
pub mod process;
pub mod say;
pub mod stand;
pub mod start;
pub mod state;
pub mod up;
pub mod with;

pub use parts::Part;
pub use stand::Stand;
