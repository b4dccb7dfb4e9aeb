"""Classification of multivariate series with missing steps, UEA (Table 6)."""
