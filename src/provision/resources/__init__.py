"""The kinds of resource, one module each; pure."""
