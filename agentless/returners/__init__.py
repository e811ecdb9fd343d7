"""Returners: what hosts return goes to databases, webhooks and commands, once or more, and never less."""
