"""Networks whose weights gradient steps change, one for each episode: through learn2learn, or through torch.func."""
