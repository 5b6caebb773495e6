"""Pictures of metrics; the only folder that imports matplotlib.  Figures are objects: no global state is touched."""
