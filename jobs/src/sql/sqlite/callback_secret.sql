SELECT callback_secret FROM tenants WHERE id = ?1
