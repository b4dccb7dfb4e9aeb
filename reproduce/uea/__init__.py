"""Classes of multivariate series of which steps are missing: UEA (Table 6)."""
