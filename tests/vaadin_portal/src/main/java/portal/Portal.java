package portal;

/** The state shared by the parts of the application. */
record Portal(World world, Troubles troubles, Sessions sessions) {
    EventLog log() {
        return world.log;
    }
}
