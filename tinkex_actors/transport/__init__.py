"""HTTP: one seam, and small layers around it."""
