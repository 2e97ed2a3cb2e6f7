//! PURE: the stages in rank order.
