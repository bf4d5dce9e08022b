"""The installed commands, each a thin shell over the rest."""
