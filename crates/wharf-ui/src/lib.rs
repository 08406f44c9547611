//! wharf-ui
