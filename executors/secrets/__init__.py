"""Where secrets come from; read only by an executor, at run time."""
