package portal;

/** What the parts of the application share. */
record Portal(World world, Troubles troubles, Sessions sessions) {
    EventLog log() {
        return world.log;
    }
}
