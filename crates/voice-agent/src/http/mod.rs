//! HTTP on 8080: the API, the page, health, and what a caller may.
