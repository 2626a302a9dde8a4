"""Do a user's files hold: they load, fit one another, and give what their examples say."""
