"""Where labelled items come from: stores held in memory, readers, embedded data, downloads."""
