"""Who answers: the library, captum by hand, ligserve; each in a process of its own."""
