"""How a terminal comes to be believed and how that ends: invite, enrol, approve, revoke."""
