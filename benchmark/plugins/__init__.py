"""Plugins: the hooks that a plugin implements, and the registry of what the plugins registered."""
