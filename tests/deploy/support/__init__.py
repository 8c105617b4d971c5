"""What the tests of deploy/ share: machines, images, folders, checkers."""
