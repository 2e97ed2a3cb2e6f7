//! Values of the domain as they are shown: [`text`] for people, [`shapes`] for programs.

pub mod shapes;
pub mod text;
