"""How good answers are: data sets, measures, and the fits of the evidence's coefficients."""
