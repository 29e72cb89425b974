"""Files that are only type-checked: ``assert_type`` for what must hold, and errors that must be found."""
