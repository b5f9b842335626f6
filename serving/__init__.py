"""The scoring service: entity -> online features -> bundle -> exact explanation -> decision record -> answer."""
