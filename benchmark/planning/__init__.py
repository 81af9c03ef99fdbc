"""The plan of a run: a request becomes jobs, one for each record, in groups that share what is costly."""
