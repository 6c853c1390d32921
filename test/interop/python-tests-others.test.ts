/** The tests of the Python package `bridged_state` against real servers and Node programs: all but what is about the link. */
import { testPackage } from './python-tools.js';

testPackage('not link');
