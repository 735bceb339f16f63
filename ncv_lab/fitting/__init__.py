"""Control variates are fitted: trained by Adam, or solved by linear equations."""
