"""What people ask of an installation, by command line, page or HTTP; each module is one kind of request."""
