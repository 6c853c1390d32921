/** The tests of the Python package `bridged_state` against real servers and Node programs: of the ways to a server, its certificates and credentials, and from one server to another. */
import { testPackage, WAYS } from './python-tools.js';

testPackage(WAYS);
