"""One `bench run`: a request becomes a plan, the plan is fitted, tested and recorded."""
