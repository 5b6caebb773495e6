"""Many runs of one study: points of parameters times seeds, on any executor, each a file in one folder."""
